// /serial: where what the guest writes on its serial line goes, and how much of it. API thread, or
// main with a configuration file.
#pragma once

#include <string>

#include "monitor/api/controller.hpp"

struct SerialDocument {
    std::string output_path;    // empty: stdout
    TokenBucketConfig limit{};  // of bytes
};

Result<SerialDocument> parse_serial(const JsonNode& body);
void apply(const SerialDocument& serial, Config& config);
void write_serial(const Config& config, JsonWriter& out);

Result<HttpResponse> put_serial(const SerialDocument& serial, Controller& controller);
void write_serial_part(const char* key, const VmSettings& settings, JsonWriter& out);
