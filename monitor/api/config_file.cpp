#include "monitor/api/config_file.hpp"

#include <fcntl.h>

#include <array>
#include <string>

#include "base/read_all.hpp"
#include "base/unique_fd.hpp"
#include "monitor/api/documents.hpp"

namespace {

enum class Shape : uint8_t { kObject, kArray };

struct Part {
    const char* name;
    Shape shape;
    ParseBody parse;
};

// In the order in which they are applied: the log first, for what the others may have to say.
constexpr std::array kParts = {
    Part{"logger", Shape::kObject, &parse_as<&parse_logger>},
    Part{"metrics", Shape::kObject, &parse_as<&parse_metrics>},
    Part{"machine-config", Shape::kObject, &parse_as<&parse_whole_machine>},
    Part{"boot-source", Shape::kObject, &parse_as<&parse_boot_source>},
    Part{"drives", Shape::kArray, &parse_as<&parse_drive>},
    Part{"network-interfaces", Shape::kArray, &parse_as<&parse_nic>},
    Part{"serial", Shape::kObject, &parse_as<&parse_serial>},
};

// Parts of the peer's that Mayfly has no use for, unless they ask for nothing.
constexpr std::array kRefused = {"balloon",     "cpu-config", "entropy",
                                 "mmds-config", "vsock",      "memory-hotplug"};
constexpr const char* kRefusedList = "pmem";

Result<> expect_nothing_refused(JsonFields& fields) {
    constexpr const char* kWhy =
        "is nothing that Mayfly has: its devices are drives, network-interfaces and serial";
    for (const char* const name : kRefused)
        if (TRY(fields.object(name)) != nullptr) return Error{name, 0, kWhy};
    const JsonNode* const list = TRY(fields.array(kRefusedList));
    if (list != nullptr && !list->Empty()) return Error{kRefusedList, 0, kWhy};
    return Ok{};
}

Result<std::string> read_file(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) return Error::from_errno("--config-file");
    return read_all(file.get());
}

}  // namespace

Result<> ConfigFile::read(const char* path) {
    const auto text = read_file(path);
    if (!text.ok()) return text.error().about(path);
    if (const auto parsed = document_.parse(text.value()); !parsed.ok())
        return parsed.error().about(path);
    return Ok{};
}

Result<> ConfigFile::apply(PrebootController& controller) {
    JsonFields fields = TRY(JsonFields::of(document_.root()));
    TRY(expect_nothing_refused(fields));
    if (TRY(fields.object("boot-source")) == nullptr) return Error{"boot-source", 0, "is missing"};
    for (const Part& part : kParts) {
        if (part.shape == Shape::kObject) {
            const JsonNode* const body = TRY(fields.object(part.name));
            if (body != nullptr) TRY(apply_part(part.name, part.parse, *body, controller));
            continue;
        }
        const JsonNode* const list = TRY(fields.array(part.name));
        if (list == nullptr) continue;
        for (const JsonNode& body : list->GetArray())
            TRY(apply_part(part.name, part.parse, body, controller));
    }
    return fields.done();
}

Result<> ConfigFile::apply_part(const char* name, ParseBody parse, const JsonNode& body,
                                PrebootController& controller) {
    auto parsed = parse(body);
    if (!parsed.ok()) return parsed.error().about(name);
    const auto applied = controller.configure(parts_.emplace_back(std::move(parsed).value()));
    if (!applied.ok()) return applied.error().about(name);
    return Ok{};
}
