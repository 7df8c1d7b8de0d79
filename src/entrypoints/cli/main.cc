#include "entrypoints/cli/app.h"

int main(int argc, char** argv) { return wde::cli::run(argc, argv); }
