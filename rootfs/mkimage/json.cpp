#include "rootfs/mkimage/json.hpp"

Result<Json> Json::parse(std::string_view text) {
    json_error_t error{};
    json_t* const value = ::json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &error);
    if (value == nullptr) return Error{"JSON", 0, "cannot be read: it is broken or too deep"};
    return Json(value, Owned{});
}

Result<std::vector<Json>> Json::elements(const char* name) const {
    if (!is_array()) return Error{name, 0, "is missing or no array"};
    std::vector<Json> result;
    for (size_t i = 0; i < ::json_array_size(value_.get()); ++i)
        result.push_back(Json(::json_array_get(value_.get(), i)));
    return result;
}

Result<std::string> Json::text(const char* name) const {
    if (!json_is_string(value_.get())) return Error{name, 0, "is missing or no string"};
    return std::string(::json_string_value(value_.get()), ::json_string_length(value_.get()));
}

Result<std::string> Json::text_or_empty(const char* name) const {
    if (is_null()) return std::string();
    return text(name);
}

Result<std::vector<std::string>> Json::texts_or_none(const char* name) const {
    std::vector<std::string> result;
    if (is_null()) return result;
    for (const Json& element : TRY(elements(name))) result.push_back(TRY(element.text(name)));
    return result;
}

Result<std::vector<std::string>> Json::names_or_none(const char* name) const {
    std::vector<std::string> result;
    if (is_null()) return result;
    if (!is_object()) return Error{name, 0, "is no object"};
    const char* key = nullptr;
    json_t* value = nullptr;
    json_object_foreach(value_.get(), key, value) result.emplace_back(key);
    return result;
}
