// mayfly-probe: measures what it is told, and writes what it found as JSON lines. It computes
// nothing: mayfly-bench starts it, tells it what to measure, and makes sense of the samples.
// METHOD.md, "The probe".
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/read_all.hpp"
#include "bench/crew.hpp"
#include "bench/interrupt.hpp"
#include "bench/lines.hpp"
#include "bench/rounds.hpp"

namespace {

Result<> run_rounds(Lines& lines) {
    const auto document = TRY(parse_plan(TRY(read_all(STDIN_FILENO))));
    Rounds rounds = TRY(Rounds::create(Fields(*document)));
    return rounds.run(lines);
}

Result<> run_crew(Lines& lines) {
    return keep_crew(STDIN_FILENO, lines);
}

// The first line that a program prints.
Result<> run_line(Lines& lines) {
    const auto document = TRY(parse_plan(TRY(read_all(STDIN_FILENO))));
    const Fields plan(*document);
    const PlannedProgram planned = TRY(PlannedProgram::create(plan.object("program")));
    const Process process = TRY(Process::start(planned.program));
    const std::string line = TRY(process.first_line(static_cast<int>(plan.number("limit_ms"))));
    return lines.add([&](JsonWriter& out) { out.text("line", in_ascii(line)); });
}

struct Task {
    std::string_view name;
    Result<> (*run)(Lines& lines);
};

constexpr Task kTasks[] = {{"rounds", run_rounds}, {"crew", run_crew}, {"line", run_line}};

constexpr char kUsage[] =
    "usage: mayfly-probe rounds|crew|line PARENT\n\n"
    "The measuring part of mayfly-bench, which starts it: reads a plan as JSON from standard "
    "input,\nwrites records as JSON lines, and ends with the process PARENT.\n";

// What is left of a measurement goes with the one who asked for it. Returns whether that one is
// still there.
bool end_with(const char* parent) {
    pid_t pid = 0;
    const char* const end = parent + std::strlen(parent);
    if (std::from_chars(parent, end, pid).ptr != end) return false;
    return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == pid;
}

// Writes how it ended, and returns the exit status.
int finish(const Result<>& outcome, Lines& lines) {
    if (!outcome.ok()) {
        std::array<char, 512> reason{};
        format_error(outcome.error(), reason);
        const auto code = static_cast<uint64_t>(outcome.error().code);
        // A reader that is gone needs none.
        static_cast<void>(lines.add([&](JsonWriter& out) {
            out.text("error", in_ascii(reason.data()));
            out.number("code", code);
        }));
    }
    return lines.flush().ok() && outcome.ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view name = argc > 1 ? argv[1] : "";
    if (name == "--help" || name == "-h") return std::fputs(kUsage, stdout) < 0 ? 1 : 0;
    const auto* const task = std::ranges::find(kTasks, name, &Task::name);
    if (argc != 3 || task == std::end(kTasks)) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    if (!end_with(argv[2])) return 1;
    watch_for_signals();
    Lines lines(STDOUT_FILENO);
    return finish(task->run(lines), lines);
}
