// JSON of strangers, by jansson: plain C that reports every error as a value, takes no NUL in
// strings (ours end in one) and stops at a depth of 2048. nlohmann's library without exceptions
// would abort on the first wrong type. Any thread.
#pragma once

#include <jansson.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

class Json {
public:
    // Errors: not JSON, too deep, a key twice in one object.
    static Result<Json> parse(std::string_view text);

    // A member of an object; null where this is no object or has none of that name.
    Json member(const char* name) const { return Json(::json_object_get(value_.get(), name)); }

    bool is_null() const { return value_ == nullptr || json_is_null(value_.get()); }
    bool is_object() const { return json_is_object(value_.get()); }
    bool is_array() const { return json_is_array(value_.get()); }

    // What an array has. Errors: this is none. `name` is for the error line.
    Result<std::vector<Json>> elements(const char* name) const;

    // Errors: this is no string.
    Result<std::string> text(const char* name) const;
    // "" for null.
    Result<std::string> text_or_empty(const char* name) const;
    // The names of an object's members, in order; none for null. Errors: this is no object.
    Result<std::vector<std::string>> names_or_none(const char* name) const;
    // An array of strings; none for null.
    Result<std::vector<std::string>> texts_or_none(const char* name) const;

private:
    struct Release {
        void operator()(json_t* value) const { ::json_decref(value); }
    };

    explicit Json(json_t* borrowed) : value_(::json_incref(borrowed)) {}
    struct Owned {};
    Json(json_t* owned, Owned) : value_(owned) {}

    std::unique_ptr<json_t, Release> value_;
};
