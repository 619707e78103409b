// /snapshot/create and /snapshot/load: a paused VM is written to two files, and one that begins
// where such files say takes the place of a boot. API thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/api/controller.hpp"

struct SnapshotCreation {
    std::string state_path;
    std::string memory_path;
    bool sync = true;  // the files outlast a crash of the host when the answer comes
};

// In place of what the VM had when it was saved.
struct DeviceOverride {
    std::string id;
    std::string with;  // a drive's file, a NIC's TAP
};

struct SnapshotLoad {
    std::string state_path;
    std::string memory_path;
    bool resumes = false;
    std::vector<DeviceOverride> drives;
    std::vector<DeviceOverride> nics;
    std::optional<std::string> serial_output_path;
    const char* deprecated = nullptr;  // as in HttpResponse
};

Result<SnapshotCreation> parse_snapshot_creation(const JsonNode& body);
Result<HttpResponse> create_snapshot(const SnapshotCreation& creation, Controller& controller);

Result<SnapshotLoad> parse_snapshot_load(const JsonNode& body);
Result<HttpResponse> load_snapshot(const SnapshotLoad& load, Controller& controller);
