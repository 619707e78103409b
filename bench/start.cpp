// A start of one program: the microseconds from its spawn to its first output, and those of its
// end. METHOD.md, "mayfly-bench startup" and "compare".
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/read_all.hpp"
#include "bench/probe.hpp"

namespace {

class Start : public Probe {
public:
    Start(PlannedProgram planned, const Fields& fields)
        : planned_(std::move(planned)),
          marker_(fields.text("marker")),
          is_killed_(fields.is("is_killed")),
          limit_ms_(static_cast<int>(fields.number("limit_ms"))) {}

    Result<std::vector<double>> measure(uint64_t round) override {
        empty(planned_.error_file);
        Process process = TRY(Process::start(numbered(planned_.program, round)));
        const double first_us = marker_.empty() ? TRY(process.first_output_us(limit_ms_))
                                                : TRY(process.text_us(marker_, limit_ms_));
        const double end_us =
            is_killed_ ? process.kill_us() : TRY(process.wait_for_success(limit_ms_)).exit_us;
        return std::vector<double>{first_us, end_us};
    }

    Result<std::string> left_file() override {
        if (!planned_.given_file) return std::string();
        if (::lseek(planned_.given_file.get(), 0, SEEK_SET) < 0) return Error::from_errno("lseek");
        return read_all(planned_.given_file.get());
    }

    std::string last_words() const override {
        if (!planned_.error_file) return {};
        std::array<char, 4096> text{};
        const int file = planned_.error_file.get();
        const off_t size = std::max<off_t>(::lseek(file, 0, SEEK_END), 0);
        const off_t from = std::max<off_t>(size - static_cast<off_t>(text.size()), 0);
        const ssize_t got = ::pread(file, text.data(), text.size(), from);
        return got > 0 ? std::string(text.data(), static_cast<size_t>(got)) : std::string();
    }

private:
    // The program shares our offset in the file.
    static void empty(const UniqueFd& file) {
        if (file && ::ftruncate(file.get(), 0) == 0) ::lseek(file.get(), 0, SEEK_SET);
    }

    PlannedProgram planned_;
    std::string marker_;  // where the clock stops; "": at the first byte
    bool is_killed_;      // as soon as it has printed; else it ends by itself, and well
    int limit_ms_;
};

// How many bytes a second come from a program, from its first byte to its end: no start is counted.
class OutputRate : public Probe {
public:
    OutputRate(PlannedProgram planned, int limit_ms)
        : planned_(std::move(planned)), limit_ms_(limit_ms) {}

    Result<std::vector<double>> measure(uint64_t) override {
        constexpr size_t kPieceBytes = 64 << 10;  // the pipe's
        Process process = TRY(Process::start(planned_.program));
        TRY(process.first_output_us(limit_ms_));
        std::vector<char> piece(kPieceBytes);
        const double start_us = now_us();
        double bytes = 0;
        for (;;) {
            const ssize_t count = ::read(process.output_fd(), piece.data(), piece.size());
            if (count < 0 && errno != EINTR) return Error::from_errno("reading the output");
            if (count == 0) break;
            if (count > 0) bytes += static_cast<double>(count);
        }
        const double elapsed_us = now_us() - start_us;
        TRY(process.wait_for_success(limit_ms_));
        return std::vector<double>{bytes * 1e6 / elapsed_us};
    }

private:
    PlannedProgram planned_;
    int limit_ms_;
};

}  // namespace

Result<std::unique_ptr<Probe>> make_start(const Fields& fields) {
    PlannedProgram planned = TRY(PlannedProgram::create(fields.object("program")));
    return std::unique_ptr<Probe>(new Start(std::move(planned), fields));
}

Result<std::unique_ptr<Probe>> make_output_rate(const Fields& fields) {
    PlannedProgram planned = TRY(PlannedProgram::create(fields.object("program")));
    return std::unique_ptr<Probe>(
        new OutputRate(std::move(planned), static_cast<int>(fields.number("limit_ms"))));
}
