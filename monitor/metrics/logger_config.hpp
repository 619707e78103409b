// What a client wants of the process beside its VM: where the log and the metrics go.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"

// What is absent stays as it is.
struct LoggerConfig {
    std::optional<std::string> path;  // a file or a FIFO
    std::optional<LogLevel> level;
    std::optional<bool> shows_level;
    std::optional<bool> shows_origin;
    std::optional<std::string> module;  // of source files whose path begins so
};

struct MetricsConfig {
    std::string path;       // a file or a FIFO
    bool emits_id = false;  // each line has the instance's
    // Each line has these, too.
    std::vector<std::pair<std::string, std::string>> properties{};
};
