// /machine-config: virtual CPUs and memory. API thread, or main with a configuration file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "monitor/api/controller.hpp"

// PUT gives all of them, and what is absent its default; PATCH leaves that as it is.
struct MachineChange {
    std::optional<uint32_t> vcpus{};
    std::optional<uint64_t> memory_mib{};
    std::optional<bool> smt{};
    std::optional<bool> nested{};  // ours, as the next
    std::optional<bool> pmu{};
    std::optional<CpuTemplate> cpu_template{};
    std::optional<RamPages> ram_pages{};
    const char* deprecated = nullptr;  // as in HttpResponse
    // What is asked for and not there, and why.
    std::vector<Error> absent{};
};

Result<MachineChange> parse_whole_machine(const JsonNode& body);
Result<MachineChange> parse_machine_change(const JsonNode& body);
void apply(const MachineChange& change, Config& config);
void write_machine(const Config& config, JsonWriter& out);

HttpResponse tell_machine(const Controller& controller);
Result<HttpResponse> change_machine(const MachineChange& change, Controller& controller);
void write_machine_part(const char* key, const VmSettings& settings, JsonWriter& out);
