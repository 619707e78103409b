#include "rootfs/unikernel/pattern.hpp"

namespace {

constexpr size_t kLetters = 52;
constexpr StringView kThreeAlphabets =
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

}  // namespace

void add_pattern_line(uint64_t number, Text& text) {
    text.add_padded(number % 10'000'000'000, 10).add(" ");
    text.add(kThreeAlphabets.part(number % 26, kLetters)).add("\n");
}
