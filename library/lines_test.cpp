extern "C" {
#include "library/lines.h"
}

#include <array>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace {

// The lines of `text`, which arrives `step` bytes at a time.
std::vector<std::string> lines_of(std::string_view text, size_t step) {
    mayfly_lines lines{};
    std::vector<std::string> found;
    std::array<char, MAYFLY_TEXT_SIZE> line{};
    while (!text.empty()) {
        text.remove_prefix(mayfly_lines_add(&lines, text.data(), std::min(step, text.size())));
        while (mayfly_lines_take(&lines, false, line.data())) found.emplace_back(line.data());
    }
    while (mayfly_lines_take(&lines, true, line.data())) found.emplace_back(line.data());
    return found;
}

TEST(Lines, AreTheSameHoweverTheyArrive) {
    for (const size_t step : {1u, 2u, 3u, 100u}) {
        EXPECT_EQ(lines_of("one\n\ntwo\n", step), (std::vector<std::string>{"one", "", "two"}));
        EXPECT_EQ(lines_of("one\nrest", step), (std::vector<std::string>{"one", "rest"}));
    }
}

TEST(Lines, ThatAreTooLongAreCut) {
    const std::string longest(MAYFLY_TEXT_SIZE - 1, 'a');
    for (const size_t step : {1u, 7u, 512u, 4096u}) {
        EXPECT_EQ(lines_of(longest + "\nb\n", step), (std::vector<std::string>{longest, "b"}));
        const std::string longer = longest + std::string(5000, 'a');
        EXPECT_EQ(lines_of(longer + "\nb\n", step), (std::vector<std::string>{longest, "b"}));
        EXPECT_EQ(lines_of(longer, step), (std::vector<std::string>{longest}));
    }
}

}  // namespace
