#include "rootfs/mkimage/words.hpp"

#include <algorithm>
#include <utility>

const char* Words::keep(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return kept_.emplace_back(std::move(text)).c_str();
}
