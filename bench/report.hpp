// `mayfly-bench report`: results files as pictures and tables. METHOD.md says
// what they mean.
#pragma once

#include <span>

#include "base/result.hpp"

inline constexpr char kReportUsage[] =
    R"(usage: mayfly-bench report FILE... [flags]

  --html OUT           where the page goes (default: the first FILE's name with .html)
  --png FOLDER         the pictures as files too
  --ratio A/B          only the ratios of program A to program B, on stdout
  --guest G            with --ratio: only with this guest
)";

// Becomes the Python program that draws the report, with all of the arguments;
// returns only on an error: it is not installed beside this program's bin, or
// Python is not.
Result<> report(std::span<const char* const> arguments);
