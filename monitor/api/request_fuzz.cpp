// Requests from a client that asks for what it likes: a byte for the method, a line with the path,
// and the body. What is refused has a reason that can be told; what is taken can be told as a
// document, which is taken again and says the same; and a VM that runs is asked for it. Nothing
// here opens a file.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <type_traits>

#include "monitor/api/boot_source.hpp"
#include "monitor/api/config_file.hpp"
#include "monitor/api/drives.hpp"
#include "monitor/api/fake_vm.hpp"
#include "monitor/api/fields.hpp"
#include "monitor/api/logger.hpp"
#include "monitor/api/machine_config.hpp"
#include "monitor/api/metrics.hpp"
#include "monitor/api/network_interfaces.hpp"
#include "monitor/api/serial.hpp"

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

// What `parse` takes, `write` writes, and that is taken again and says the same. Returns what was
// taken; nothing where it was not.
template <typename Parse, typename Write>
auto expect_both_ways(const JsonNode& body, Parse parse, Write write)
    -> std::optional<std::decay_t<decltype(parse(body).value())>> {
    const auto known = parse(body);
    if (!known.ok()) return {};
    const std::string text = written([&](JsonWriter& out) { write(known.value(), out); });
    JsonDocument document;
    expect(document.parse(text).ok());
    const auto again = parse(document.root());
    expect(again.ok());
    expect(written([&](JsonWriter& out) { write(again.value(), out); }) == text);
    return known.value();
}

template <typename T>
Config config_of(const T& change) {
    Config config;
    apply(change, config);
    return config;
}

void expect_validated(const Config& config) {
    static_cast<void>(validate(config, kApiNames));
}

// As each of the documents that are told again, whichever the path says it is.
void expect_documents_both_ways(const JsonNode& body) {
    if (const auto machine = expect_both_ways(
            body, parse_whole_machine,
            [](const auto& it, JsonWriter& out) { write_machine(config_of(it), out); }))
        expect_validated(config_of(*machine));
    if (const auto change = parse_machine_change(body); change.ok())
        expect_validated(config_of(change.value()));
    if (const auto source = expect_both_ways(
            body, parse_boot_source,
            [](const auto& it, JsonWriter& out) { write_boot_source(config_of(it), out); }))
        expect_validated(config_of(*source));
    if (const auto drive = expect_both_ways(body, parse_drive, write_drive)) {
        Config config;
        config.add(*drive);
        expect_validated(config);
    }
    if (const auto nic = expect_both_ways(body, parse_nic, write_nic)) {
        Config config;
        config.add(*nic);
        expect_validated(config);
    }
    expect_both_ways(body, parse_serial, [](const auto& it, JsonWriter& out) {
        Config config;
        apply(it, config);
        write_serial(config, out);
    });
    expect_both_ways(body, parse_logger, write_logger);
    expect_both_ways(body, parse_metrics, write_metrics);
}

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
    if (document.parse(http.body).ok()) expect_documents_both_ways(document.root());

    FakeVm vm;
    Observation observation("fuzz");
    VmSettings settings = settings_of_a_vm();
    HostFiles files;
    Controller controller(settings, files, observation);
    controller.on_started(vm);
    const auto answer = controller.serve(http);
    if (!answer.ok()) expect_a_reason(answer.error());
    expect_json(settings_text(controller.settings()));
    return 0;
}
