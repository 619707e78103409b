#include "monitor/api/json.hpp"

#include <algorithm>

namespace {

Error of_type(const char* name, const char* wanted) {
    return {name, 0, wanted};
}

template <typename T>
Result<T> required(const char* name, Result<std::optional<T>> field) {
    if (!field.ok()) return field.error();
    if (!field.value().has_value()) return Error{name, 0, "is missing"};
    return std::move(*field.value());
}

// U+D800 to U+DFFF, which the parser takes from an escape, and no writer takes from us.
bool has_surrogate(const std::string& text) {
    constexpr char kFirst = '\xed';
    for (size_t at = text.find(kFirst); at != std::string::npos; at = text.find(kFirst, at + 1))
        if (static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
    return false;
}

}  // namespace

Result<> JsonDocument::parse(std::string_view text, const std::string& name) {
    // Iterative: a text that nests deeply costs heap, and no stack. The last value decides nothing:
    // fields that are given twice are found by JsonFields.
    constexpr unsigned kStrict =
        rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
    // The parser would take it for the end, whatever follows.
    if (text.find('\0') != std::string_view::npos) return Error{"has a zero byte"}.about(name);
    document_.Parse<kStrict>(text.data(), text.size());
    if (document_.HasParseError())
        return Error{rapidjson::GetParseError_En(document_.GetParseError())}.about(
            name + ": cannot be read from byte " + std::to_string(document_.GetErrorOffset()) +
            " on");
    if (!document_.IsObject()) return Error{"is not an object"}.about(name);
    return Ok{};
}

Result<JsonFields> JsonFields::of(const JsonNode& value, const char* name) {
    if (!value.IsObject()) return of_type(name, "is not an object");
    return JsonFields{&value};
}

const JsonNode* JsonFields::find(const char* name) {
    known_.push_back(name);
    const auto member = object_->FindMember(name);
    return member == object_->MemberEnd() || member->value.IsNull() ? nullptr : &member->value;
}

Result<std::optional<std::string>> JsonFields::text(const char* name) {
    const JsonNode* const value = find(name);
    if (value == nullptr) return std::optional<std::string>{};
    if (!value->IsString()) return of_type(name, "is not a string");
    std::string text(value->GetString(), value->GetStringLength());
    // It becomes a path, or a word on a command line.
    if (text.find('\0') != std::string::npos) return of_type(name, "has a zero byte");
    if (has_surrogate(text)) return of_type(name, "has half a pair of surrogates");
    return std::optional(std::move(text));
}

Result<std::optional<bool>> JsonFields::boolean(const char* name) {
    const JsonNode* const value = find(name);
    if (value == nullptr) return std::optional<bool>{};
    if (!value->IsBool()) return of_type(name, "is neither true nor false");
    return std::optional(value->GetBool());
}

Result<std::optional<uint64_t>> JsonFields::number(const char* name, uint64_t least,
                                                   uint64_t most) {
    const JsonNode* const value = find(name);
    if (value == nullptr) return std::optional<uint64_t>{};
    if (value->IsInt64() && value->GetInt64() < 0) return of_type(name, "is negative");
    if (!value->IsUint64()) return of_type(name, "is not a whole number of 64 bits");
    const uint64_t number = value->GetUint64();
    if (number < least) return of_type(name, "is too small");
    if (number > most) return of_type(name, "is too large");
    return std::optional(number);
}

Result<const JsonNode*> JsonFields::object(const char* name) {
    const JsonNode* const value = find(name);
    if (value != nullptr && !value->IsObject()) return of_type(name, "is not an object");
    return value;
}

Result<const JsonNode*> JsonFields::array(const char* name) {
    const JsonNode* const value = find(name);
    if (value != nullptr && !value->IsArray()) return of_type(name, "is not an array");
    return value;
}

Result<std::string> JsonFields::required_text(const char* name) {
    return required(name, text(name));
}

Result<bool> JsonFields::required_boolean(const char* name) {
    return required(name, boolean(name));
}

Result<uint64_t> JsonFields::required_number(const char* name, uint64_t least, uint64_t most) {
    return required(name, number(name, least, most));
}

Result<> JsonFields::done(void (*tell)(const Error& error)) const {
    std::vector<bool> is_given(known_.size());
    for (const auto& member : object_->GetObject()) {
        const std::string_view name(member.name.GetString(), member.name.GetStringLength());
        const auto known = std::ranges::find(known_, name);
        if (known == known_.end()) {
            const Error error = Error{"is no field of this request"}.about(member.name.GetString());
            if (tell == nullptr) return error;
            tell(error);
            continue;
        }
        const auto index = static_cast<size_t>(known - known_.begin());
        if (is_given[index]) return Error{*known, 0, "is given twice"};
        is_given[index] = true;
    }
    return Ok{};
}

bool JsonFields::is_empty() const {
    for (const auto& member : object_->GetObject())
        if (!member.value.IsNull()) return false;
    return true;
}
