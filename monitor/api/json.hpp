// JSON as the API's documents use it, on RapidJSON: objects read field by field, each with its type
// and its limits, so that an error names the field; and objects written. Any thread, one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "monitor/api/rapidjson.hpp"

// A value of a document.
using JsonNode = rapidjson::Value;

// A text, parsed. Errors of its fields are about strings of it.
class JsonDocument {
public:
    // Reads one object and nothing else. Errors, as long as the document is there: what is wrong,
    // and behind how many bytes.
    Result<> parse(std::string_view text);

    const JsonNode& root() const { return document_; }

private:
    rapidjson::Document document_;
    std::string problem_;
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

    // Errors: a field that nobody has asked for; one that is given twice.
    Result<> done() const;

    // No field but absent ones.
    bool is_empty() const;

private:
    explicit JsonFields(const JsonNode* object) : object_(object) {}

    const JsonNode* find(const char* name);

    const JsonNode* object_;
    std::vector<const char*> known_;
};

// Writes a document, one field after the other.
class JsonWriter {
public:
    JsonWriter() { writer_.StartObject(); }

    void text(const char* name, std::string_view value);
    void number(const char* name, uint64_t value);
    void boolean(const char* name, bool value);

    // What `write` writes is an object inside this one.
    template <typename Write>
    void object(const char* name, Write write) {
        writer_.Key(name);
        writer_.StartObject();
        write();
        writer_.EndObject();
    }
    // `write` writes each of `things`, an object of an array.
    template <typename Things, typename Write>
    void array(const char* name, const Things& things, Write write) {
        writer_.Key(name);
        writer_.StartArray();
        for (const auto& thing : things) {
            writer_.StartObject();
            write(thing);
            writer_.EndObject();
        }
        writer_.EndArray();
    }

    // The whole. Once.
    std::string finish();

private:
    rapidjson::StringBuffer buffer_;
    // ASCII alone, so that no reader can take it for something else.
    rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> writer_{
        buffer_};
};
