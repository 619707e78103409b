// What the first process of a jail's process namespace and its keeper, which is outside
// (monitor/process/keeper.hpp), say to each other on their socket: one byte each way, and only the
// monitor asks.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace keeper_words {

// From now on signals may be handed on. No answer.
inline constexpr char kHeeds = 'H';
// Stop this process and yourself. The answer, whatever it is, comes when both go on.
inline constexpr char kStop = 'S';
// Is stdin a terminal whose foreground is another job's? In here groups outside have no numbers.
inline constexpr char kIsAnotherJobs = 'F';
inline constexpr char kYes = 'y';
inline constexpr char kNo = 'n';

}  // namespace keeper_words

// The keeper's answer; none within `limit_ms` (-1: however long it takes). Main.
inline std::optional<char> ask_keeper(int keeper, char word, int limit_ms) {
    char answer = 0;
    pollfd event{keeper, POLLIN, 0};
    while (::poll(&event, 1, 0) > 0)  // to an earlier question, which was not waited for
        if (::read(keeper, &answer, 1) != 1) return std::nullopt;
    if (::write(keeper, &word, 1) != 1) return std::nullopt;
    int ready = ::poll(&event, 1, limit_ms);
    while (ready < 0 && errno == EINTR) ready = ::poll(&event, 1, limit_ms);
    if (ready <= 0 || ::read(keeper, &answer, 1) != 1) return std::nullopt;
    return answer;
}
