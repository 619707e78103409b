// JSON as the API's documents use it, on jansson: objects read field by field, each with its type
// and its limits, so that an error names the field; and objects written. Any thread, one at a time.
#pragma once

#include <cstdint>
#include <jansson.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

// One reference to a value.
struct JsonRelease {
    void operator()(json_t* value) const { json_decref(value); }
};
using JsonValue = std::unique_ptr<json_t, JsonRelease>;

// Before the first document, while files may still be opened: the library would draw the seed of
// its hashes from one.
void seed_json();

// A text, parsed. Errors of its fields are about strings of it.
class JsonDocument {
public:
    // A document's objects and arrays are no deeper inside each other than this.
    static constexpr int kMostDepth = 8;

    // Reads one object and nothing else. Errors, as long as the document is there: what is wrong
    // and where; a field that is given twice.
    Result<> parse(std::string_view text);

    const json_t* root() const { return root_.get(); }

private:
    JsonValue root_;
    json_error_t problem_{};
};

// The fields of one object. Each is asked for by its name, a literal; a field that is null is one
// that is absent. What has been asked for is known, so done() can tell what is left over.
class JsonFields {
public:
    // `value` outlives the fields. Errors: it is no object; `name` is the field it stands in.
    static Result<JsonFields> of(const json_t* value, const char* name = "body");

    // nullopt: absent. Errors: another type, out of range (both limits are allowed values).
    Result<std::optional<std::string>> text(const char* name);
    Result<std::optional<bool>> boolean(const char* name);
    Result<std::optional<uint64_t>> number(const char* name, uint64_t least, uint64_t most);
    // nullptr: absent.
    Result<const json_t*> object(const char* name);
    Result<const json_t*> array(const char* name);

    // The same of a field that has to be there. Errors, besides: it is missing.
    Result<std::string> required_text(const char* name);
    Result<bool> required_boolean(const char* name);
    Result<uint64_t> required_number(const char* name, uint64_t least, uint64_t most);

    // Errors: a field that nobody has asked for.
    Result<> done() const;

private:
    explicit JsonFields(const json_t* object) : object_(object) {}

    const json_t* find(const char* name);

    const json_t* object_;
    std::vector<const char*> known_;
};

// Objects to be sent.
JsonValue make_object();
// Takes the value over.
void set_value(json_t* object, const char* name, JsonValue value);
void set_text(json_t* object, const char* name, std::string_view text);
void set_number(json_t* object, const char* name, uint64_t number);
void set_boolean(json_t* object, const char* name, bool value);
std::string to_text(const json_t* value);
