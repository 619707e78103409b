// What the process tells of itself beside its VM: the log's settings, and the metrics with where
// they are written. Owned by main; configured before the VM runs, and then written by one thread at
// a time: the API's, or main where there is none and when that has ended.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "monitor/metrics/logger_config.hpp"
#include "monitor/metrics/metrics.hpp"
#include "monitor/metrics/writer.hpp"

class Observation {
public:
    // `id` is in every line of a log that is stamped.
    explicit Observation(std::string id) : id_(std::move(id)) {}
    Observation(const Observation&) = delete;
    Observation& operator=(const Observation&) = delete;
    ~Observation() { reset_log(); }

    // What `config` says, from now on; a log begins with a line that has the versions. Errors: as
    // open_log(), about `config`'s path; that it was changed too often, since what an older one
    // named stays open.
    Result<> configure_log(const LoggerConfig& config);

    bool has_log() const { return !logs_.empty(); }
    // True if stderr is not where its lines go.
    bool logs_elsewhere() const { return has_log() && log_.fd != STDERR_FILENO; }

    // Metrics are written to `path`, from the VM's start on, each line with `fields`, as
    // Metrics::begin_lines_with() takes them. Errors: as open_metrics(), about `path`; that it was
    // done before.
    Result<> write_metrics_to(const std::string& path, std::string fields = {});

    Metrics& metrics() { return metrics_; }

    // The VM runs: a line of metrics is due.
    void on_started() { has_started_ = true; }

    // A line of metrics now, and nothing where there is no writer. Errors: as
    // MetricsWriter::flush().
    Result<> flush_metrics();
    // The same if the VM has started and no line has been due for a minute.
    void flush_metrics_if_due(uint64_t now_ns);
    // When that is; UINT64_MAX where nothing will be.
    uint64_t metrics_due_ns() const;

private:
    static constexpr size_t kMostLogs = 16;

    std::string id_;
    LogSettings log_{.form = LogForm::kStamped};  // what the next change begins with
    // A thread may still be about to write by older settings: what they name stays.
    std::vector<std::unique_ptr<const LogSettings>> logs_;
    std::vector<UniqueFd> log_files_;
    std::vector<std::unique_ptr<const std::string>> modules_;
    Metrics metrics_;
    std::optional<MetricsWriter> writer_;
    bool has_started_ = false;
};
