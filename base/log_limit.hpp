// How much of what a guest or a client can cause at will is logged. The log shall not grow as fast
// as they like, nor, by a guest, for as long as it lives.
#pragma once

#include <atomic>
#include <cstdint>

// How many lines there may be in all.
class LogBudget {
public:
    explicit constexpr LogBudget(uint32_t lines) : left_(lines), lines_(lines) {}

    enum class Verdict : uint8_t {
        kLine,   // a line may be logged
        kEnds,   // in its place one that says that it is the last
        kSpent,  // none any more
    };
    // Any thread.
    Verdict take();
    uint32_t lines() const { return lines_; }

private:
    std::atomic<uint32_t> left_;
    const uint32_t lines_;
};

// That of the guest, whose process this is.
LogBudget& guest_log_budget();
inline constexpr uint32_t kGuestLogLines = 256;

// How often one place in the program may log such a thing. One per place, or per object: a static
// or a member.
class LogLimit {
public:
    static constexpr uint32_t kLines = 10;
    static constexpr uint64_t kIntervalNs = 5'000'000'000;

    LogLimit() = default;
    // What passes is also paid out of `budget`, which outlives the object.
    explicit LogLimit(LogBudget& budget) : budget_(&budget) {}

    // True if a line may be logged now: kLines of them in kIntervalNs. The first one afterwards is
    // preceded by a line that says how many were left out. Any thread.
    bool admits(const char* file = __builtin_FILE(), int line = __builtin_LINE());

    // What a line may pass, and how many were left out before it.
    struct Verdict {
        bool admits = false;
        uint32_t left_out = 0;
    };
    // The same without a clock and a log. `now_ns`: monotonic.
    Verdict judge(uint64_t now_ns);

private:
    bool pays(const char* file, int line);

    LogBudget* const budget_ = nullptr;
    std::atomic<uint64_t> began_ns_{0};  // the interval; 0: none has
    std::atomic<uint32_t> asked_{0};     // since then
};
