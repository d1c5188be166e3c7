"""The command line: parse, call one public function, show what it gave. Every decision lives in a room below."""
