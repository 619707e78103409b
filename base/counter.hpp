// Numbers that are counted where something happens, and read now and then by somebody else: the
// metrics. A Counter is a few cycles; there is no lock, and no order with anything else.
//
// All three have the layout of a Metric, so that a table can tell where in a group each one lies.
#pragma once

#include <atomic>
#include <cstdint>

class Metric {
public:
    // Any thread.
    uint64_t value() const { return value_.load(std::memory_order_relaxed); }

protected:
    ~Metric() = default;

    std::atomic<uint64_t> value_{0};
};

// Of one thread, or of those that hold one lock: two that add at once would lose something.
class Counter final : public Metric {
public:
    void add(uint64_t amount = 1) { value_.store(value() + amount, std::memory_order_relaxed); }
};

// Of several threads at once; costs a locked instruction.
class SharedCounter final : public Metric {
public:
    void add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
};

// What was measured last. Any thread.
class Gauge final : public Metric {
public:
    void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
};
