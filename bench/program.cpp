#include "bench/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>

#include "bench/interrupt.hpp"
#include "bench/spawn.hpp"

double now_us() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

Result<> wait_readable(int fd, double deadline_us) {
    std::array wanted = {pollfd{.fd = fd, .events = POLLIN, .revents = 0},
                         pollfd{.fd = signal_fd(), .events = POLLIN, .revents = 0}};
    for (;;) {
        const double rest_ms = (deadline_us - now_us()) / 1000;
        if (rest_ms <= 0) return Error{"output", ETIMEDOUT, "the program was killed"};
        const int ready = ::poll(wanted.data(), wanted.size(), static_cast<int>(rest_ms) + 1);
        if (ready > 0 && wanted[1].revents != 0) return interruption();
        if (ready > 0) return Ok{};
        if (ready < 0 && errno != EINTR) return Error::from_errno("poll");
    }
}

Program numbered(const Program& program, uint64_t run) {
    Program numbered = program;
    for (std::string& word : numbered.words)
        if (const size_t at = word.find(Program::kRunMark); at != std::string::npos)
            word.replace(at, Program::kRunMark.size(), std::to_string(run));
    return numbered;
}

Result<Process> Process::start(const Program& program) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error::from_errno("pipe2");
    UniqueFd output(ends[0]);
    const UniqueFd input(ends[1]);
    const double started_us = now_us();
    const pid_t pid = TRY(spawn(program, input.get()));
    return Process(pid, std::move(output), started_us);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::move(other.output_)),
      started_us_(other.started_us_) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(output_, other.output_);
    std::swap(started_us_, other.started_us_);
    return *this;
}

Process::~Process() {
    if (pid_ >= 0) kill_us();
}

void Process::send_kill() const {
    // All of its group: the program may be a script that started another.
    ::kill(-pid_, SIGKILL);
}

double Process::kill_us() {
    const double killed_us = now_us();
    send_kill();
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return now_us() - killed_us;
}

Result<double> Process::first_output_us(int timeout_ms) const {
    TRY(wait_readable(output_.get(), started_us_ + timeout_ms * 1000.0));
    char byte = 0;
    const ssize_t got = ::read(output_.get(), &byte, 1);
    const double arrived_us = now_us();
    if (got < 0) return Error::from_errno("read");
    if (got == 0) return Error{"output", EPIPE, "the program ended without any"};
    return arrived_us - started_us_;
}

Result<double> Process::text_us(std::string_view text, int timeout_ms) const {
    const double deadline_us = started_us_ + timeout_ms * 1000.0;
    std::array<char, 4096> chunk{};
    std::string tail;  // of what came: the text may arrive in pieces
    bool has_output = false;
    for (;;) {
        const auto readable = wait_readable(output_.get(), deadline_us);
        if (!readable.ok() && readable.error().code == ETIMEDOUT && !has_output)
            return Error{"output", ENODATA, "printed nothing within the limit"};
        TRY(readable);
        const ssize_t got = ::read(output_.get(), chunk.data(), chunk.size());
        const double arrived_us = now_us();
        if (got < 0) return Error::from_errno("read");
        if (got == 0) return Error{"output", EPIPE, "the program ended without what was awaited"};
        has_output = true;
        tail.append(chunk.data(), static_cast<size_t>(got));
        if (tail.find(text) != std::string::npos) return arrived_us - started_us_;
        tail.erase(0, tail.size() - std::min(tail.size(), text.size() - 1));
    }
}

Result<std::string> Process::first_line(int timeout_ms) const {
    constexpr size_t kMostBytes = 4096;
    std::string line;
    while (line.size() < kMostBytes) {
        TRY(wait_readable(output_.get(), started_us_ + timeout_ms * 1000.0));
        char byte = 0;
        const ssize_t got = ::read(output_.get(), &byte, 1);
        if (got < 0) return Error::from_errno("read");
        if (got == 0 || byte == '\n') break;
        line += byte;
    }
    return line;
}

Result<Process::End> Process::wait_for_end(int timeout_ms) {
    const double deadline_us = now_us() + timeout_ms * 1000.0;
    std::array<char, 4096> chunk{};
    std::string output;
    for (;;) {
        TRY(wait_readable(output_.get(), deadline_us));
        const ssize_t got = ::read(output_.get(), chunk.data(), chunk.size());
        if (got == 0) break;
        if (got < 0 && errno != EINTR) return Error::from_errno("read");
        if (got > 0) output.append(chunk.data(), static_cast<size_t>(got));
    }
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) {
        if (errno != EINTR) return Error::from_errno("waitpid");
    }
    pid_ = -1;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return End{.exit_us = now_us() - started_us_, .status = code, .output = std::move(output)};
}

Result<Process::End> Process::wait_for_success(int timeout_ms) {
    End end = TRY(wait_for_end(timeout_ms));
    if (end.status != 0)
        return Error{"exit status", 0, "is not 0, so this run measures nothing",
                     static_cast<uint64_t>(end.status)};
    return end;
}
