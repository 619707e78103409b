// /drives/ID: a drive is added or replaced before the start, and gets another file or other limits
// after it. API thread, or main with a configuration file.
#pragma once

#include <optional>
#include <string>

#include "monitor/api/controller.hpp"
#include "monitor/api/rate_limits.hpp"

struct DriveChange {
    std::string id;
    std::optional<std::string> path{};
    LimitsChange limits{};
    bool is_empty = false;  // names neither
};

Result<DriveConfig> parse_drive(const JsonNode& body);
void write_drive(const DriveConfig& drive, JsonWriter& out);
Result<DriveChange> parse_drive_change(const JsonNode& body);

// Errors, besides those of Controller::take(): another drive is the root.
Result<HttpResponse> put_drive(const DriveConfig& drive, Controller& controller);
Result<HttpResponse> change_drive(const DriveChange& change, Controller& controller);
