#include "base/json_writer.hpp"

#include <cmath>

namespace {

double to_a_thousandth(double value) {
    return std::round(value * 1000) / 1000;
}

}  // namespace

void JsonWriter::put(std::string_view text) {
    writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void JsonWriter::text(const char* name, std::string_view value) {
    writer_.Key(name);
    put(value);
}

void JsonWriter::text_or_null(const char* name, std::string_view value) {
    value.empty() ? null(name) : text(name, value);
}

void JsonWriter::null(const char* name) {
    writer_.Key(name);
    writer_.Null();
}

void JsonWriter::number(const char* name, uint64_t value) {
    writer_.Key(name);
    writer_.Uint64(value);
}

void JsonWriter::boolean(const char* name, bool value) {
    writer_.Key(name);
    writer_.Bool(value);
}

void JsonWriter::reals(const char* name, std::span<const double> values) {
    writer_.Key(name);
    writer_.StartArray();
    for (const double value : values) writer_.Double(to_a_thousandth(value));
    writer_.EndArray();
}

std::string JsonWriter::finish() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
}
