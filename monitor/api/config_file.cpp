#include "monitor/api/config_file.hpp"

#include <fcntl.h>

#include "base/log.hpp"
#include "base/read_all.hpp"
#include "base/unique_fd.hpp"
#include "monitor/api/resources.hpp"

namespace {

// Parts of Firecracker's files that Mayfly has no use for may ask for nothing; the list of pmem,
// which Firecracker tells where it is empty too, by being empty.
Result<> expect_nothing_refused(JsonFields& fields, Controller& controller) {
    constexpr const char* kWhy =
        "is nothing that Mayfly has: its devices are drives, network-interfaces and serial";
    for (const RefusedResource& refused : refused_resources()) {
        if (refused.file_key == nullptr) continue;
        const JsonNode* const asked = refused.is_list ? TRY(fields.array(refused.file_key))
                                                      : TRY(fields.object(refused.file_key));
        const bool asks_nothing = asked == nullptr || (refused.is_list && asked->Empty());
        if (asks_nothing) continue;
        if (!refused.is_dispensable) return Error{refused.file_key, 0, kWhy};
        TRY(controller.accept_absent(refused.file_key, kWhy));
    }
    return Ok{};
}

// Firecracker passes over parts that it does not know, and files have some for tools beside it.
void warn_of(const Error& error) {
    LOG_WARNING("%.*s: is no part of a configuration file, and is left out",
                static_cast<int>(error.subject().size()), error.subject().data());
}

Result<std::string> read_file(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) return Error::from_errno("--config-file");
    return read_all(file.get());
}

Result<> apply_body(const Resource& resource, const JsonNode& body, Controller& controller) {
    const auto taken = resource.answer({.resource = resource, .body = body, .id = {}}, controller);
    if (!taken.ok()) return taken.error().about(resource.part.key);
    return Ok{};
}

// The part, if the file has it.
Result<> apply_part(const Resource& resource, JsonFields& fields, Controller& controller) {
    if (!resource.takes_id()) {
        const JsonNode* const body = TRY(fields.object(resource.part.key));
        return body == nullptr ? Ok{} : apply_body(resource, *body, controller);
    }
    const JsonNode* const list = TRY(fields.array(resource.part.key));
    if (list == nullptr) return Ok{};
    for (const JsonNode& body : list->GetArray()) TRY(apply_body(resource, body, controller));
    return Ok{};
}

}  // namespace

Result<> ConfigFile::read(const char* path) {
    const auto text = read_file(path);
    if (!text.ok()) return text.error().about(path);
    return document_.parse(text.value(), std::string(path) + ": JSON");
}

Result<> ConfigFile::apply(Controller& controller) const {
    JsonFields fields = TRY(JsonFields::of(document_.root()));
    const auto accepts_absent = TRY(fields.boolean("accept-absent"));
    if (accepts_absent.has_value()) controller.settings().accepts_absent = *accepts_absent;
    TRY(expect_nothing_refused(fields, controller));
    if (TRY(fields.object("boot-source")) == nullptr) return Error{"boot-source", 0, "is missing"};
    for (const FileTurn turn : {FileTurn::kFirst, FileTurn::kThen})
        for (const Resource& resource : resources())
            if (resource.part.key != nullptr && resource.part.turn == turn)
                TRY(apply_part(resource, fields, controller));
    return fields.done(&warn_of);
}

std::string settings_text(const VmSettings& settings) {
    JsonWriter out;
    for (const Resource& resource : resources())
        if (resource.part.key != nullptr) resource.part.write(resource.part.key, settings, out);
    for (const RefusedResource& refused : refused_resources()) {
        if (refused.file_key == nullptr) continue;
        if (refused.is_list)
            out.array(refused.file_key, std::span<const int>(), [](int) {});
        else
            out.null(refused.file_key);
    }
    return out.finish();
}

HttpResponse tell_config(const Controller& controller) {
    return {.status = 200, .body = settings_text(controller.settings())};
}
