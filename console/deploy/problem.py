"""What stands in the way of a deployment. Everything is collected first and told together; nothing has changed then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that cannot be done as it is written."""

    line: int  # in the template; 0 if there is none
    where: str
    text: str
    can_be_left_out: bool = False  # a whole resource or trigger, which --skip leaves out

    def shown(self, file: str) -> str:
        """As it is told: the place, then the text."""
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}  {self.where}: {self.text}" if self.where else f"{place}  {self.text}"


class CannotDeploy(Exception):
    """Raised before anything was changed. Its text is the whole list of problems."""

    def __init__(self, file: str, problems: "list[Problem]") -> None:
        self.problems = problems
        lines = [problem.shown(file) for problem in sorted(set(problems))]
        if any(problem.can_be_left_out for problem in problems):
            lines.append("Nothing was changed. --skip leaves out the resources and triggers that thrice does not have.")
        else:
            lines.append("Nothing was changed.")
        super().__init__("\n".join(lines))
