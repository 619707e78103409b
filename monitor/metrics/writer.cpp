#include "monitor/metrics/writer.hpp"

#include <ctime>
#include <span>

#include "base/line_sink.hpp"

namespace {

uint64_t utc_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 +
           static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

Result<UniqueFd> open_metrics(const char* path) {
    return open_line_sink(path);
}

Result<> MetricsWriter::finish_line() {
    const ssize_t count = write_once(sink_.get(), std::span(line_).subspan(written_));
    if (count < 0) return Error::from_errno("write of the metrics");
    written_ += static_cast<size_t>(count);
    return Ok{};
}

Result<> MetricsWriter::write_line() {
    if (written_ < line_.size()) {
        const Result<> finished = finish_line();
        // Who read its beginning is gone.
        if (!finished.ok() && finished.error().code == EPIPE) written_ = line_.size();
        TRY(finished);
        if (written_ < line_.size()) return Error{"write of the metrics", EAGAIN};
    }
    line_.clear();
    written_ = 0;
    metrics_.append_line(line_, utc_ms());
    const Result<> begun = finish_line();
    if (begun.ok() && written_ > 0) {
        metrics_.commit_line();
        return Ok{};
    }
    line_.clear();
    return begun.ok() ? Error{"write of the metrics", EAGAIN} : begun;
}

Result<> MetricsWriter::flush() {
    const Result<> written = write_line();
    if (written.ok()) return written;
    metrics_.lines.missed_metrics_count.add();
    const int code = written.error().code;
    if (code != EAGAIN && code != EPIPE) metrics_.lines.metrics_fails.add();
    return written;
}

void MetricsWriter::flush_if_due(uint64_t now_ns) {
    if (now_ns < due_ns_) return;
    due_ns_ = now_ns + kIntervalNs;
    [[maybe_unused]] const Result<> counted = flush();
}
