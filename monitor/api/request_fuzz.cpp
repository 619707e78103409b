// Requests from a client that asks for what it likes: a byte for the method, a line with the path,
// and the body. What is refused has a reason that can be told; what is taken can be told as a
// document, which is taken again and says the same; and a VM that runs is asked for it. Nothing
// here opens a file.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "monitor/api/documents.hpp"
#include "monitor/api/fake_vm.hpp"
#include "monitor/api/runtime_controller.hpp"

namespace {

void expect(bool holds) {
    if (!holds) std::abort();
}

template <typename Write>
std::string written(Write write) {
    JsonWriter out;
    write(out);
    return out.finish();
}

// What `write` writes of `known` is taken by `parse`, and says the same.
template <typename T, typename Parse, typename Write>
void expect_both_ways(const T& known, Parse parse, Write write) {
    const std::string text = written([&](JsonWriter& out) { write(known, out); });
    JsonDocument document;
    expect(document.parse(text).ok());
    const auto again = parse(document.root());
    expect(again.ok());
    expect(written([&](JsonWriter& out) { write(again.value(), out); }) == text);
}

template <typename T>
Config config_of(const T& change) {
    Config config;
    apply(change, config);
    return config;
}

struct RoundTrip {
    void operator()(const MachineChange& change) const {
        expect_both_ways(change, parse_whole_machine, [](const auto& it, JsonWriter& out) {
            write_machine(config_of(it), out);
        });
        static_cast<void>(validate(config_of(change), kApiNames));
    }
    void operator()(const BootSource& source) const {
        expect_both_ways(source, parse_boot_source, [](const auto& it, JsonWriter& out) {
            write_boot_source(config_of(it), out);
        });
        static_cast<void>(validate(config_of(source), kApiNames));
    }
    void operator()(const DriveConfig& drive) const {
        expect_both_ways(drive, parse_drive, write_drive);
        Config config;
        config.add(drive);
        static_cast<void>(validate(config, kApiNames));
    }
    void operator()(const NicConfig& nic) const {
        expect_both_ways(nic, parse_nic, write_nic);
        Config config;
        config.add(nic);
        static_cast<void>(validate(config, kApiNames));
    }
    void operator()(const SerialConfig& serial) const {
        expect_both_ways(serial, parse_serial, [](const auto& it, JsonWriter& out) {
            Config config;
            config.host.serial_output_path = it.output_path;
            write_serial(config, out);
        });
    }
    void operator()(const LoggerConfig& logger) const {
        expect_both_ways(logger, parse_logger, write_logger);
    }
    void operator()(const MetricsConfig& metrics) const {
        expect_both_ways(metrics, parse_metrics, write_metrics);
    }
    template <typename Other>
    void operator()(const Other& /*other*/) const {}
};

VmSettings settings_of_a_vm() {
    VmSettings settings;
    settings.config.boot.kernel_path = "kernel";
    settings.config.add(
        DriveConfig{.shape = {.id = "d", .partuuid = {}}, .host = {.path = "disk"}});
    settings.config.add(NicConfig{.shape = {.id = "e"}, .host = {.tap = "tap"}});
    return settings;
}

void expect_json(const std::string& text) {
    JsonDocument document;
    expect(document.parse(text).ok());
}

void expect_a_reason(const Error& error) {
    std::array<char, 1024> line{};
    const size_t size = format_error(error, line);
    expect(size > 0);
    expect_json(http_fault({line.data(), size}).body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr std::array kMethods = {HttpMethod::kGet, HttpMethod::kPut, HttpMethod::kPatch,
                                     HttpMethod::kOther};
    if (size == 0) return 0;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const size_t line_end = std::min(text.find('\n'), text.size());
    const HttpRequest http{.method = kMethods[data[0] % kMethods.size()],
                           .path = text.substr(0, line_end),
                           .body = text.substr(std::min(line_end + 1, text.size()))};
    JsonDocument document;
    const auto request = parse_request(http, document);
    if (!request.ok()) {
        expect_a_reason(request.error());
        return 0;
    }
    std::visit(RoundTrip{}, request.value());

    FakeVm vm;
    Observation observation("fuzz");
    RuntimeController controller(settings_of_a_vm(), vm, observation);
    const auto answer = controller.answer(request.value());
    if (!answer.ok()) expect_a_reason(answer.error());
    expect_json(controller.answer(Inquiry::kConfig).value().body);
    return 0;
}
