use str0m as _; use dimpl as _; use engine as _; use wire as _;
