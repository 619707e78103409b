// What the program says about itself, a page a subject. Main thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/called_as.hpp"
#include "monitor/process/flags.hpp"

// The subjects of `mayfly help`; "" is the overview.
std::vector<std::string_view> help_subjects();
// Lines of at most 80 columns, no more than a screen takes; empty where there is no such subject.
std::string help_page(std::string_view subject);

// These write to stdout and return the exit status: 0, or 125 where it takes no words or there is
// no such subject. `subject` of the second: the door's that was asked. Precondition: not kNothing.
int print_help(const char* subject);
int answer(Asked asked, const char* subject, CalledAs called = CalledAs::kItself);
