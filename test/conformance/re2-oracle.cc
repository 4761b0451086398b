// Answers with RE2 in POSIX mode: each line is a pattern and a text in hexadecimal, separated by a blank;
// the answer is E (the pattern is refused), 1 (the whole text matches) or 0.
#include <re2/re2.h>

#include <iostream>
#include <string>

static std::string bytes(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t blank = line.find(' ');
    const std::string text = bytes(line.substr(blank + 1));
    re2::RE2::Options options(re2::RE2::POSIX);
    options.set_log_errors(false);
    const re2::RE2 pattern(bytes(line.substr(0, blank)), options);
    std::cout << (!pattern.ok() ? 'E' : re2::RE2::FullMatch(text, pattern) ? '1' : '0') << '\n';
  }
}
