// One JSON object, written field after field, on RapidJSON. Any thread, one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/rapidjson.hpp"

class JsonWriter {
public:
    JsonWriter() { writer_.StartObject(); }

    void text(const char* name, std::string_view value);
    // Null where it is empty.
    void text_or_null(const char* name, std::string_view value);
    void null(const char* name);
    void number(const char* name, uint64_t value);
    void boolean(const char* name, bool value);
    // To a thousandth. Precondition: finite.
    void reals(const char* name, std::span<const double> values);

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
    void put(std::string_view text);

    rapidjson::StringBuffer buffer_;
    // ASCII alone, so that no reader can take it for something else.
    rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::ASCII<>> writer_{
        buffer_};
};
