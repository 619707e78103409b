#include "bench/contest.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "bench/interrupt.hpp"
#include "bench/progress.hpp"

namespace {

Result<UniqueFd> memory_file(std::string_view text) {
    UniqueFd file(::memfd_create("mayfly-bench", MFD_CLOEXEC));
    if (!file) return Error::from_errno("memfd_create");
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return Error::from_errno("write");
    return file;
}

// The program shares our offset in the file.
void empty(const UniqueFd& file) {
    if (::ftruncate(file.get(), 0) == 0) ::lseek(file.get(), 0, SEEK_SET);
}

// What it said last before it gave up.
std::string last_error_line(const UniqueFd& file) {
    std::array<char, 4096> text{};
    const off_t size = std::max<off_t>(::lseek(file.get(), 0, SEEK_END), 0);
    const off_t from = std::max<off_t>(size - static_cast<off_t>(text.size()), 0);
    const ssize_t got = ::pread(file.get(), text.data(), text.size(), from);
    if (got <= 0) return {};
    return std::string(last_line({text.data(), static_cast<size_t>(got)}));
}

std::string describe_failure(const Error& error, const Contestant& contestant, int limit_ms) {
    std::array<char, 256> line{};
    std::snprintf(line.data(), line.size(), " in %g s", limit_ms / 1000.0);
    if (error.code == ENODATA) return std::string("printed nothing") + line.data();
    if (error.code == ETIMEDOUT) return "did not print \"" + contestant.marker + "\"" + line.data();
    format_error(error, line);
    if (error.code != EPIPE) return line.data();
    const std::string said = last_error_line(contestant.error_file);
    if (said.empty()) return "ended before its guest printed anything, and did not say why";
    return "ended before its guest printed anything: " + said;
}

struct Times {
    double first_output_us;
    double end_us;
};

Result<Times> run_once(const Contestant& contestant, int limit_ms) {
    empty(contestant.error_file);
    Process process = TRY(Process::start(contestant.program));
    const double first_us = TRY(process.text_us(contestant.marker, limit_ms));
    return Times{.first_output_us = first_us, .end_us = process.kill_us()};
}

// Returns its times, if it was not absent and is not now. Errors: EINTR.
Result<Times> take_turn(Contestant& contestant, int limit_ms) {
    if (was_signalled()) return interruption();
    const auto times = run_once(contestant, limit_ms);
    if (times.ok() || times.error().code == EINTR) return times;
    contestant.absence = describe_failure(times.error(), contestant, limit_ms);
    contestant.first_output_us.clear();
    contestant.end_us.clear();
    return Times{};
}

// Errors: EINTR, and nothing of the round counts.
Result<> run_round(std::span<Contestant> contestants, uint64_t round, const Rounds& rounds,
                   Progress& progress) {
    std::vector<Times> times(contestants.size());
    for (size_t i = 0; i < contestants.size(); ++i) {
        const size_t turn = round % 2 == 0 ? i : contestants.size() - 1 - i;
        if (contestants[turn].absence.empty())
            times[turn] = TRY(take_turn(contestants[turn], rounds.limit_ms));
        progress.step();
    }
    for (size_t i = 0; i < contestants.size() && round >= rounds.warm_up; ++i) {
        if (!contestants[i].absence.empty()) continue;
        contestants[i].first_output_us.push_back(times[i].first_output_us);
        contestants[i].end_us.push_back(times[i].end_us);
    }
    return Ok{};
}

}  // namespace

std::string_view last_line(std::string_view text) {
    const size_t end = text.find_last_not_of("\r\n ");
    if (end == std::string_view::npos) return {};
    text = text.substr(0, end + 1);
    return text.substr(text.find_last_of("\r\n") + 1);
}

Result<Contestant> make_contestant(const Monitor& monitor, const std::string& path,
                                   const Guest& guest, std::string_view kvm,
                                   const std::string& home) {
    Invocation invocation = monitor.invocation(path, guest, kvm);
    UniqueFd given_file = TRY(memory_file(invocation.given_file));
    UniqueFd error_file = TRY(memory_file(""));
    Contestant contestant{
        .program = {.name = monitor.name, .words = std::move(invocation.words)},
        .marker = &monitor == &kFloor ? kFloorMarker : guest.marker,
        .given_file = std::move(given_file),
        .error_file = std::move(error_file),
    };
    contestant.program.given_fd = contestant.given_file.get();
    contestant.program.error_fd = contestant.error_file.get();
    if (monitor.writes_home) contestant.program.environment = {"HOME=" + home};
    return contestant;
}

Result<> try_each(std::span<Contestant> contestants, int limit_ms, const std::string& title) {
    Progress progress(title, contestants.size());
    for (Contestant& one : contestants) {
        progress.name_step(one.program.name.c_str());
        TRY(take_turn(one, limit_ms));
        progress.step();
    }
    return Ok{};
}

Result<> run_rounds(std::span<Contestant> contestants, const Rounds& rounds,
                    const std::string& title) {
    Progress progress(title, (rounds.warm_up + rounds.runs) * contestants.size());
    const double end_us = now_us() + rounds.budget_us;
    for (uint64_t round = 0; round < rounds.warm_up + rounds.runs; ++round) {
        if (round > rounds.warm_up && now_us() > end_us) break;
        TRY(run_round(contestants, round, rounds, progress));
    }
    return Ok{};
}
