#include "bench/crowded_starts.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "bench/interrupt.hpp"
#include "bench/series.hpp"

namespace {

// One that has printed. Its output ends before its process does: a KVM process takes some
// milliseconds to go, in which others can start.
struct Ending {
    Process process;
    UniqueFd gone;  // readable when it can be reaped
};

class Crowd {
public:
    Crowd(const Program& program, uint64_t starts) : program_(program), left_(starts) {}

    bool may_start(uint64_t most_in_flight) const {
        return left_ > 0 && starting_.size() < most_in_flight && ending_.size() < kMostEnding;
    }
    bool is_over() const { return starting_.empty() && ending_.empty() && left_ == 0; }

    Result<> start_one() {
        auto process = Process::start(program_);
        if (!process.ok()) return process.error().about(program_.name);
        starting_.push_back(std::move(process).value());
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
        const int ready = ::poll(wanted_.data(), wanted_.size(), kStartTimeoutMs);
        if (ready < 0) return Error::from_errno("poll");
        if (was_signalled()) return interruption();
        if (ready == 0) return Error{"output", ETIMEDOUT, "some VMs neither came up nor ended"};
        const size_t were_starting = starting_.size();
        TRY(take_ended(were_starting));
        return take_started(were_starting);
    }

    double last_start_us() const { return last_start_us_; }

private:
    // Backwards, so that what is taken out moves none that is still to be looked at.
    Result<> take_ended(size_t first) {
        for (size_t i = ending_.size(); i-- > 0;) {
            if (wanted_[first + i].revents == 0) continue;
            TRY(ending_[i].process.wait_for_success(kStartTimeoutMs));
            ending_.erase(ending_.begin() + static_cast<std::ptrdiff_t>(i));
        }
        return Ok{};
    }

    Result<> take_started(size_t count) {
        for (size_t i = count; i-- > 0;) {
            if (wanted_[i].revents == 0) continue;
            TRY(starting_[i].first_output_us(kStartTimeoutMs));
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
    std::vector<Process> starting_;
    std::vector<Ending> ending_;
    std::vector<pollfd> wanted_;
    double last_start_us_ = 0;
};

}  // namespace

Result<double> starts_per_second(const Program& program, uint64_t in_flight, uint64_t starts) {
    Crowd crowd(program, starts);
    const double began_us = now_us();
    while (!crowd.is_over()) {
        if (was_signalled()) return interruption();
        if (crowd.may_start(in_flight))
            TRY(crowd.start_one());
        else
            TRY(crowd.take_news());
    }
    return static_cast<double>(starts) / (crowd.last_start_us() - began_us) * 1e6;
}
