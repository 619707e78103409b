// An I/O engine that stands between a test and a real one: it counts what is asked for, and answers
// some of it as the test's script says: with an error, with fewer bytes, late, or twice. Everything
// else is the real engine's work. Tests only; the counters may be read on any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/io_engine.hpp"

class ScriptedEngine final : public IoEngine, private IoTarget {
public:
    explicit ScriptedEngine(std::unique_ptr<IoEngine> inner) : inner_(std::move(inner)) {}

    // --- The script -----------------------------------------------------------------------------

    // Asked about every request: what it gives is the result, and nothing is performed.
    std::function<std::optional<int32_t>(const IoRequest&)> answer{};
    // A read or write moves so many bytes at most.
    size_t most_bytes = std::numeric_limits<size_t>::max();
    // Completions that move data are kept until release().
    bool holds = false;

    size_t held() const { return held_.size(); }
    // What was held is delivered by the next wait().
    void release() {
        done_.insert(done_.end(), held_.begin(), held_.end());
        held_.clear();
    }
    // The next wait() delivers this, whatever was asked for.
    void inject(IoTag tag, int32_t result) {
        count_request();
        done_.push_back({tag, result, false});
    }

    // --- What was asked for ---------------------------------------------------------------------

    size_t count(IoOperation operation) const {
        return counts_[static_cast<size_t>(operation)].load();
    }
    size_t cancels() const { return cancels_.load(); }
    // Calls of wait() that only look, and those that may sleep; and those without a limit.
    size_t looks() const { return looks_.load(); }
    size_t sleeps() const { return sleeps_.load(); }
    size_t endless_sleeps() const { return endless_sleeps_.load(); }
    // The latest request that moves data, or neither reads nor polls.
    IoTag latest() const { return latest_; }

    // --- IoEngine -------------------------------------------------------------------------------

    const char* name() const override { return inner_->name(); }
    bool is_uring() const override { return inner_->is_uring(); }
    Result<IoFile> add_file(int fd) override { return inner_->add_file(fd); }
    Result<> replace_file(IoFile file, int fd) override { return inner_->replace_file(file, fd); }
    Result<> start() override {
        // Under the same numbers as here, so that tags pass through as they are.
        for (size_t i = 0; i < kTargets; ++i) TRY(inner_->add_target(*this));
        return inner_->start();
    }
    bool repeats_polls() const override { return inner_->repeats_polls(); }
    void prepare(const IoRequest& request) override {
        count_request();
        ++counts_[static_cast<size_t>(request.operation)];
        if (!is_poll(request)) latest_ = request.tag;
        if (answer) {
            if (const std::optional<int32_t> result = answer(request)) {
                keep({request.tag, *result, false});
                return;
            }
        }
        inner_->prepare(shortened(request));
    }
    void cancel(IoTag tag) override {
        ++cancels_;
        inner_->cancel(tag);
    }
    Result<> submit() override { return inner_->submit(); }
    Result<size_t> wait(uint64_t timeout_ns) override {
        count_wait(timeout_ns);
        TRY(inner_->wait(done_.empty() ? timeout_ns : 0));
        // What is asked for meanwhile, and answered at once, is for the next round.
        const std::vector<IoCompletion> delivering = std::exchange(done_, {});
        for (const IoCompletion& completion : delivering) deliver(completion);
        return delivering.size() + std::exchange(delivered_, 0);
    }

private:
    static constexpr size_t kTargets = 16;

    static bool is_poll(const IoRequest& request) {
        return request.operation == IoOperation::kPoll ||
               request.operation == IoOperation::kPollMultishot;
    }

    void complete(const IoCompletion& completion) override {
        if (holds && !completion.more) {
            held_.push_back(completion);
            return;
        }
        ++delivered_;
        deliver(completion);
    }

    void keep(const IoCompletion& completion) { (holds ? held_ : done_).push_back(completion); }

    void count_wait(uint64_t timeout_ns) {
        if (timeout_ns == 0) {
            ++looks_;
        } else {
            ++sleeps_;
        }
        if (timeout_ns == kForever) ++endless_sleeps_;
    }

    // `request`, or a copy with vectors of its own that ask for less.
    IoRequest shortened(const IoRequest& request) {
        IoRequest shorter = request;
        if (most_bytes == std::numeric_limits<size_t>::max()) return shorter;
        size_t left = most_bytes;
        std::vector<iovec>& vectors = vectors_.emplace_back();
        for (const iovec& vector : request.vectors) {
            if (left == 0) break;
            vectors.push_back({vector.iov_base, std::min(left, vector.iov_len)});
            left -= vectors.back().iov_len;
        }
        shorter.vectors = vectors;
        return shorter;
    }

    std::unique_ptr<IoEngine> inner_;
    std::vector<IoCompletion> held_;
    std::vector<IoCompletion> done_;
    std::list<std::vector<iovec>> vectors_;  // of shortened requests, as long as the engine lives
    size_t delivered_ = 0;                   // of the inner engine's, in this wait()
    IoTag latest_{};
    std::array<std::atomic<size_t>, 7> counts_{};
    std::atomic<size_t> cancels_ = 0;
    std::atomic<size_t> looks_ = 0;
    std::atomic<size_t> sleeps_ = 0;
    std::atomic<size_t> endless_sleeps_ = 0;
};
