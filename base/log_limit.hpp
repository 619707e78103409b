// How often one place in the program may log what a guest or a client can cause at will. The log
// shall not grow as fast as they like. One per place, or per object: a static or a member.
#pragma once

#include <atomic>
#include <cstdint>

class LogLimit {
public:
    static constexpr uint32_t kLines = 10;
    static constexpr uint64_t kIntervalNs = 5'000'000'000;

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
    std::atomic<uint64_t> began_ns_{0};  // the interval; 0: none has
    std::atomic<uint32_t> asked_{0};     // since then
};
