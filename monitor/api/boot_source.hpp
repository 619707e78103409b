// /boot-source: the kernel, its initrd and its command line. API thread, or main with a
// configuration file.
#pragma once

#include <string>

#include "monitor/api/controller.hpp"

struct BootSource {
    std::string kernel_path;
    std::string initrd_path;  // empty: none
    std::string boot_args;
};

Result<BootSource> parse_boot_source(const JsonNode& body);
void apply(const BootSource& source, Config& config);
void write_boot_source(const Config& config, JsonWriter& out);

Result<HttpResponse> put_boot_source(const BootSource& source, Controller& controller);
void write_boot_source_part(const char* key, const VmSettings& settings, JsonWriter& out);
