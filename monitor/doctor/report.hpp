// What `mayfly doctor` has found, section by section, for people and for programs. Main thread.
#pragma once

#include <string>
#include <vector>

#include "monitor/doctor/check.hpp"

struct Section {
    const char* name = nullptr;   // a word, for programs
    const char* title = nullptr;  // what it is about, for people
    Findings findings{};
};

// Does all checks, in their order.
std::vector<Section> examine(const Host& host);

// Whether there is a finding of this verdict.
bool has(const std::vector<Section>& sections, Verdict verdict);

// A line for each finding, or more where it would be wider than kReportColumns.
inline constexpr size_t kReportColumns = 100;
std::string as_text(const std::vector<Section>& sections);
// One object, as mayfly-doctor(1) describes it.
std::string as_json(const std::vector<Section>& sections);
