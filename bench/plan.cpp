#include "bench/plan.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "bench/http_client.hpp"

namespace {

const rapidjson::Value kNothing(rapidjson::kObjectType);

Result<UniqueFd> memory_file(std::string_view text) {
    UniqueFd file(::memfd_create("mayfly-probe", MFD_CLOEXEC));
    if (!file) return Error::from_errno("memfd_create");
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error::from_errno("write");
    return file;
}

}  // namespace

const rapidjson::Value* Fields::find(const char* name) const {
    const auto member = object_.FindMember(name);
    return member == object_.MemberEnd() ? nullptr : &member->value;
}

std::string Fields::text(const char* name) const {
    const rapidjson::Value* const value = find(name);
    if (value == nullptr || !value->IsString()) return {};
    return {value->GetString(), value->GetStringLength()};
}

uint64_t Fields::number(const char* name) const {
    const rapidjson::Value* const value = find(name);
    return value != nullptr && value->IsUint64() ? value->GetUint64() : 0;
}

bool Fields::is(const char* name) const {
    const rapidjson::Value* const value = find(name);
    return value != nullptr && value->IsTrue();
}

std::vector<std::string> Fields::texts(const char* name) const {
    std::vector<std::string> texts;
    const rapidjson::Value* const value = find(name);
    if (value == nullptr || !value->IsArray()) return texts;
    for (const rapidjson::Value& one : value->GetArray())
        if (one.IsString()) texts.emplace_back(one.GetString(), one.GetStringLength());
    return texts;
}

std::vector<Fields> Fields::objects(const char* name) const {
    std::vector<Fields> objects;
    const rapidjson::Value* const value = find(name);
    if (value == nullptr || !value->IsArray()) return objects;
    for (const rapidjson::Value& one : value->GetArray())
        if (one.IsObject()) objects.emplace_back(one);
    return objects;
}

Fields Fields::object(const char* name) const {
    const rapidjson::Value* const value = find(name);
    return Fields(value != nullptr && value->IsObject() ? *value : kNothing);
}

Result<std::unique_ptr<rapidjson::Document>> parse_plan(std::string_view line) {
    auto document = std::make_unique<rapidjson::Document>();
    document->Parse(line.data(), line.size());
    if (document->HasParseError() || !document->IsObject())
        return Error{"plan", EPROTO, "is no JSON object"};
    return document;
}

Result<PlannedProgram> PlannedProgram::create(const Fields& fields) {
    PlannedProgram planned{.program = {.name = fields.text("name"),
                                       .words = fields.texts("words"),
                                       .environment = fields.texts("environment")},
                           .given_file = {},
                           .error_file = {}};
    if (planned.program.words.empty()) return Error{"plan", EPROTO, "has a program of no words"};
    if (fields.has("given")) {
        planned.given_file = TRY(memory_file(fields.text("given")));
        planned.program.given_fd = planned.given_file.get();
    }
    const std::string errors = fields.text("errors");
    if (errors == "dropped") planned.program.errors = ErrorOutput::kDropped;
    if (errors == "kept") {
        planned.error_file = TRY(memory_file(""));
        planned.program.error_fd = planned.error_file.get();
    }
    return planned;
}

std::vector<PlannedRequest> planned_requests(const Fields& fields) {
    std::vector<PlannedRequest> requests;
    for (const Fields& one : fields.objects("requests"))
        requests.push_back({.text = format_request({.method = one.text("method"),
                                                    .path = one.text("path"),
                                                    .body = one.text("body")}),
                            .expected = static_cast<int>(one.number("expected"))});
    return requests;
}
