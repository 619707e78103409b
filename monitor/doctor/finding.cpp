#include "monitor/doctor/finding.hpp"

// Not inline, for the program's size: there are some hundred calls.
Finding fine(std::string_view found) {
    return {Verdict::kOk, std::string(found)};
}

Finding warning(std::string_view found, std::string_view remedy) {
    return {Verdict::kWarn, std::string(found), std::string(remedy)};
}

Finding failure(std::string_view found, std::string_view remedy) {
    return {Verdict::kFail, std::string(found), std::string(remedy)};
}

Finding skipped(std::string_view found, std::string_view remedy) {
    return {Verdict::kSkip, std::string(found), std::string(remedy)};
}
