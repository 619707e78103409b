// /serial: where what the guest writes on its serial line goes. API thread, or main with a
// configuration file.
#pragma once

#include <string>

#include "monitor/api/controller.hpp"

// The path; empty: stdout.
Result<std::string> parse_serial(const JsonNode& body);
void write_serial(const Config& config, JsonWriter& out);

Result<HttpResponse> put_serial(const std::string& output_path, Controller& controller);
void write_serial_part(const char* key, const VmSettings& settings, JsonWriter& out);
