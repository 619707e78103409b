// JSON as the API's documents use it, on RapidJSON: objects read field by field, each with its type
// and its limits, so that an error names the field. Any thread, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.hpp"
#include "base/rapidjson.hpp"
#include "base/result.hpp"

// A value of a document.
using JsonNode = rapidjson::Value;

// A text, parsed.
class JsonDocument {
public:
    // Reads one object and nothing else. Errors, about `name`: what is wrong, and behind how many
    // bytes.
    Result<> parse(std::string_view text, const std::string& name = "JSON");

    const JsonNode& root() const { return document_; }

private:
    rapidjson::Document document_;
};

// The fields of one object. Each is asked for by its name, a literal; a field that is null is one
// that is absent. What has been asked for is known, so done() can tell what is left over.
class JsonFields {
public:
    // `value` outlives the fields. Errors: it is no object; `name` is the field it stands in.
    static Result<JsonFields> of(const JsonNode& value, const char* name = "body");

    // nullopt: absent. Errors: another type, out of range (both limits are allowed values).
    Result<std::optional<std::string>> text(const char* name);
    Result<std::optional<bool>> boolean(const char* name);
    Result<std::optional<uint64_t>> number(const char* name, uint64_t least, uint64_t most);
    // nullptr: absent.
    Result<const JsonNode*> object(const char* name);
    Result<const JsonNode*> array(const char* name);

    // The same of a field that has to be there. Errors, besides: it is missing.
    Result<std::string> required_text(const char* name);
    Result<bool> required_boolean(const char* name);
    Result<uint64_t> required_number(const char* name, uint64_t least, uint64_t most);

    // Errors: a field that nobody has asked for, unless there is `tell`, which is told of it then;
    // one that is given twice.
    Result<> done(void (*tell)(const Error& error) = nullptr) const;

    // No field but absent ones.
    bool is_empty() const;

private:
    explicit JsonFields(const JsonNode* object) : object_(object) {}

    const JsonNode* find(const char* name);

    const JsonNode* object_;
    std::vector<const char*> known_;
};
