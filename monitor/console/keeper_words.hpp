// What the first process of a jail's process namespace and its keeper, which is outside
// (monitor/process/keeper.hpp), say to each other on their socket: one byte each way, and only the
// monitor asks.
#pragma once

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
