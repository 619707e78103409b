// The end of a console that nobody sees, kept for the day on which somebody asks what went wrong.
// Written by vCPU threads under their port's lock, read by main after they have ended.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "monitor/ports/serial.hpp"

class ConsoleTail final : public SerialSink {
public:
    static constexpr size_t kBytes = 4096;

    void transmit(std::span<const std::byte> bytes) override;
    bool has_room() const override { return true; }

    // Whole lines, oldest first.
    std::string text() const;

private:
    std::array<std::byte, kBytes> ring_{};
    size_t written_ = 0;
};
