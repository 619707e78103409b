#include "bench/crew.hpp"

#include <unistd.h>

#include <array>
#include <limits>

#include "bench/interrupt.hpp"

Crew::~Crew() {
    for (const Kept& one : kept_) one.process.send_kill();
}

Result<Crew::Kept> Crew::start_by_api(const Program& program, const Fields& fields, int limit_ms) {
    ApiVm vm = TRY(ApiVm::start(program, fields.text("socket")));
    TRY(vm.ready_us(limit_ms));
    HttpClient client = TRY(vm.connect());
    for (const PlannedRequest& request : planned_requests(fields)) {
        TRY(client.send(request.text));
        TRY(client.receive(request.expected));
    }
    return Kept{.process = std::move(vm.process()), .client = std::move(client)};
}

Result<pid_t> Crew::add(const Fields& fields) {
    const PlannedProgram planned = TRY(PlannedProgram::create(fields.object("program")));
    const auto limit_ms = static_cast<int>(fields.number("limit_ms"));
    const bool has_api = fields.has("requests");
    auto kept = has_api ? start_by_api(planned.program, fields, limit_ms)
                        : Result<Kept>(Kept{.process = TRY(Process::start(planned.program)),
                                            .client = std::nullopt});
    if (!kept.ok()) return kept.error();
    TRY(kept.value().process.first_output_us(limit_ms));
    kept_.push_back(std::move(kept).value());
    return kept_.back().process.pid();
}

namespace {

// Adds what `line` says, and answers.
Result<> answer(Crew& crew, std::string_view line, Lines& lines) {
    const auto document = TRY(parse_plan(line));
    const Fields fields(*document);
    const std::string name = fields.text("name");
    const auto pid = crew.add(fields);
    if (was_signalled()) return interruption();
    std::array<char, 512> reason{};
    if (!pid.ok()) format_error(pid.error().about(name), reason);
    TRY(lines.add([&](JsonWriter& out) {
        if (pid.ok()) {
            out.number("pid", static_cast<uint64_t>(pid.value()));
        } else {
            out.text("reason", in_ascii(reason.data()));
            out.number("code", static_cast<uint64_t>(pid.error().code));
        }
    }));
    return lines.flush();
}

}  // namespace

Result<> keep_crew(int input, Lines& lines) {
    Crew crew;
    std::string received;
    std::array<char, 4096> piece{};
    for (;;) {
        for (size_t end = received.find('\n'); end != std::string::npos;
             end = received.find('\n')) {
            TRY(answer(crew, std::string_view(received).substr(0, end), lines));
            received.erase(0, end + 1);
        }
        constexpr double kForever = 1e12;
        TRY(wait_readable(input, now_us() + kForever));
        const ssize_t got = ::read(input, piece.data(), piece.size());
        if (got == 0) return Ok{};
        if (got < 0 && errno != EINTR) return Error::from_errno("read");
        if (got > 0) received.append(piece.data(), static_cast<size_t>(got));
    }
}
