#include "bench/rounds.hpp"

#include <algorithm>
#include <array>

#include "bench/interrupt.hpp"

namespace {

struct Turn {
    std::vector<double> values;  // none: absent
    std::string left_file;
};

Result<> say_absent(Lines& lines, size_t which, const Error& error, const std::string& last_words) {
    std::array<char, 512> line{};
    format_error(error, line);
    return lines.add([&](JsonWriter& out) {
        out.number("absent", which);
        out.number("code", static_cast<uint64_t>(error.code));
        out.text("reason", in_ascii(line.data()));
        out.text("last_words", in_ascii(last_words));
    });
}

Result<Turn> take_turn(Contestant& contestant, uint64_t round) {
    Turn turn{.values = TRY(contestant.probe->measure(round)), .left_file = {}};
    if (contestant.has_left_file) turn.left_file = in_ascii(TRY(contestant.probe->left_file()));
    return turn;
}

// Errors: as Rounds::run().
Result<> run_round(Rounds& rounds, uint64_t round, Lines& lines) {
    std::vector<Turn> turns(rounds.contestants.size());
    for (size_t i = 0; i < turns.size(); ++i) {
        const size_t which = round % 2 == 0 ? i : turns.size() - 1 - i;
        Contestant& contestant = rounds.contestants[which];
        if (contestant.is_absent) continue;
        auto turn = take_turn(contestant, round);
        if (was_signalled()) return interruption();
        if (turn.ok()) {
            turns[which] = std::move(turn).value();
            continue;
        }
        if (!rounds.leaves_out) return turn.error().about(contestant.name);
        contestant.is_absent = true;
        TRY(say_absent(lines, which, turn.error(), contestant.probe->last_words()));
    }
    return lines.add([&](JsonWriter& out) {
        out.number("round", round);
        out.boolean("counts", round >= rounds.warm_up);
        out.array("turns", turns, [&](const Turn& turn) {
            out.reals("values", turn.values);
            if (!turn.left_file.empty()) out.text("left_file", turn.left_file);
        });
    });
}

}  // namespace

Result<Rounds> Rounds::create(const Fields& plan) {
    Rounds rounds{.contestants = {},
                  .warm_up = plan.number("warm_up"),
                  .runs = plan.number("runs"),
                  .budget_us = static_cast<double>(plan.number("budget_us")),
                  .leaves_out = plan.is("leaves_out")};
    for (const Fields& fields : plan.objects("contestants"))
        rounds.contestants.push_back({.name = fields.text("name"),
                                      .probe = TRY(make_probe(fields)),
                                      .has_left_file = fields.is("has_left_file")});
    if (rounds.contestants.empty()) return Error{"plan", EPROTO, "has no contestants"};
    return rounds;
}

Result<> Rounds::run(Lines& lines) {
    const double end_us = now_us() + budget_us;
    for (uint64_t round = 0; round < warm_up + runs; ++round) {
        if (was_signalled()) return interruption();
        if (budget_us > 0 && round > warm_up && now_us() > end_us) break;
        if (std::ranges::all_of(contestants, &Contestant::is_absent)) break;
        TRY(run_round(*this, round, lines));
    }
    return Ok{};
}
