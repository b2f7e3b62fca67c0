#include "watchdog.h"

#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace torchvet {
namespace {

char current[512];

void name_current(int signal) {
  const char* reason = signal == SIGPROF || signal == SIGALRM ? "hangs" : "crashes";
  char text[700];
  const int length = std::snprintf(text, sizeof(text), "\n%s: %s\n", reason, current);
  if (length > 0 && write(STDERR_FILENO, text, static_cast<std::size_t>(length)) < 0) _exit(2);
}

void on_signal(int signal) {
  name_current(signal);
  _exit(1);
}

}  // namespace

void start_watchdog() {
  for (const int signal : {SIGPROF, SIGALRM, SIGABRT}) std::signal(signal, on_signal);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback([] { name_current(SIGSEGV); });
#else
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_signal);
#endif
}

void begin_copy(const std::string& words) {
  std::snprintf(current, sizeof(current), "%s", words.c_str());
  // Processor time, so that a busy machine is no hang.
  const itimerval limit{{0, 0}, {2, 0}};
  setitimer(ITIMER_PROF, &limit, nullptr);
  alarm(60);
}

}  // namespace torchvet
