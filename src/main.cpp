#include "cli/cli.h"

int main(int argc, char** argv) { return torchvet::run_cli(argc, argv); }
