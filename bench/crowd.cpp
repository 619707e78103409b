// Starts of one program, as many at once as is wanted: how many a second came up, the microseconds
// until all were gone, and for each its own from spawn to first output. METHOD.md, "mayfly-bench
// rate" and "jail".
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "bench/interrupt.hpp"
#include "bench/probe.hpp"

namespace {

// So many that have come up may be on their way out; then the next one waits. With kvm_pvm some
// thirty are. (bench/mayfly_bench/flags.py has it too, for the limit of descriptors.)
constexpr size_t kMostEnding = 512;

// One that has printed. Its output ends before its process does: a KVM process takes some
// milliseconds to go, in which others can start.
struct Ending {
    Process process;
    UniqueFd gone;  // readable when it can be reaped
};

class Crowd {
public:
    Crowd(const Program& program, uint64_t starts, int limit_ms)
        : program_(program), left_(starts), limit_ms_(limit_ms) {}

    bool may_start(uint64_t most_in_flight) const {
        return left_ > 0 && starting_.size() < most_in_flight && ending_.size() < kMostEnding;
    }
    bool is_over() const { return starting_.empty() && ending_.empty() && left_ == 0; }

    Result<> start_one() {
        starting_.push_back(TRY(Process::start(numbered(program_, left_))));
        --left_;
        return Ok{};
    }

    // Waits until one comes up or ends, and looks at all.
    Result<> take_news() {
        wanted_.clear();
        for (const Process& process : starting_)
            wanted_.push_back({process.output_fd(), POLLIN, 0});
        for (const Ending& ending : ending_) wanted_.push_back({ending.gone.get(), POLLIN, 0});
        wanted_.push_back({signal_fd(), POLLIN, 0});
        const int ready = ::poll(wanted_.data(), wanted_.size(), limit_ms_);
        if (ready < 0) return Error::from_errno("poll");
        if (was_signalled()) return interruption();
        if (ready == 0) return Error{"output", ETIMEDOUT, "some VMs neither came up nor ended"};
        const size_t were_starting = starting_.size();
        TRY(take_ended(were_starting));
        return take_started(were_starting);
    }

    double last_start_us() const { return last_start_us_; }
    const std::vector<double>& first_us() const { return first_us_; }

private:
    // Backwards, so that what is taken out moves none that is still to be looked at.
    Result<> take_ended(size_t first) {
        for (size_t i = ending_.size(); i-- > 0;) {
            if (wanted_[first + i].revents == 0) continue;
            TRY(ending_[i].process.wait_for_success(limit_ms_));
            ending_.erase(ending_.begin() + static_cast<std::ptrdiff_t>(i));
        }
        return Ok{};
    }

    Result<> take_started(size_t count) {
        for (size_t i = count; i-- > 0;) {
            if (wanted_[i].revents == 0) continue;
            first_us_.push_back(TRY(starting_[i].first_output_us(limit_ms_)));
            last_start_us_ = now_us();
            // glibc 2.36 declares pidfd_open as a function of C++.
            UniqueFd gone(static_cast<int>(::syscall(SYS_pidfd_open, starting_[i].pid(), 0)));
            if (!gone) return Error::from_errno("pidfd_open");
            ending_.push_back({std::move(starting_[i]), std::move(gone)});
            starting_.erase(starting_.begin() + static_cast<std::ptrdiff_t>(i));
        }
        return Ok{};
    }

    const Program& program_;
    uint64_t left_;
    int limit_ms_;
    std::vector<Process> starting_;
    std::vector<Ending> ending_;
    std::vector<pollfd> wanted_;
    std::vector<double> first_us_;
    double last_start_us_ = 0;
};

class CrowdedStarts : public Probe {
public:
    CrowdedStarts(PlannedProgram planned, const Fields& fields)
        : planned_(std::move(planned)),
          in_flight_(fields.number("in_flight")),
          starts_(fields.number("starts")),
          limit_ms_(static_cast<int>(fields.number("limit_ms"))) {}

    Result<std::vector<double>> measure(uint64_t) override {
        Crowd crowd(planned_.program, starts_, limit_ms_);
        const double began_us = now_us();
        while (!crowd.is_over()) {
            if (was_signalled()) return interruption();
            if (crowd.may_start(in_flight_))
                TRY(crowd.start_one());
            else
                TRY(crowd.take_news());
        }
        std::vector<double> values = {
            static_cast<double>(starts_) / (crowd.last_start_us() - began_us) * 1e6,
            now_us() - began_us};
        values.insert(values.end(), crowd.first_us().begin(), crowd.first_us().end());
        return values;
    }

private:
    PlannedProgram planned_;
    uint64_t in_flight_;
    uint64_t starts_;
    int limit_ms_;
};

}  // namespace

Result<std::unique_ptr<Probe>> make_crowd(const Fields& fields) {
    PlannedProgram planned = TRY(PlannedProgram::create(fields.object("program")));
    return std::unique_ptr<Probe>(new CrowdedStarts(std::move(planned), fields));
}
