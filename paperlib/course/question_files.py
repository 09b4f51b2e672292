"""The questions as files of learning systems: JSON of jupyterquiz, XML of Moodle."""
import json
import xml.etree.ElementTree as ElementTree

from paperlib.teach.course_files import Question
from paperlib.teach.questions import words


def jupyterquiz(questions: tuple[Question, ...]) -> str:
    """Questions as JSON for jupyterquiz's `display_quiz`."""
    listed = []
    for question in questions:
        if question.value is None:
            answers = [{"answer": answer.say, "correct": answer.right, "feedback": answer.because}
                       for answer in question.choices]
            listed.append({"question": question.ask, "type": "multiple_choice", "answers": answers})
        else:
            low, high = question.value - question.within, question.value + question.within
            answers = [{"type": "range", "range": [low, high], "correct": True, "feedback": question.because},
                       {"type": "default", "feedback": "Not so. Reckon once more."}]
            listed.append({"question": question.ask, "type": "numeric", "answers": answers})
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def moodle(notebook: str, questions: tuple[Question, ...]) -> str:
    """Questions as XML for Moodle's question bank, in a category of the notebook's name."""
    quiz = ElementTree.Element("quiz")
    category = ElementTree.SubElement(quiz, "question", type="category")
    _text(category, "category", f"$course$/paperlib/{notebook}")
    for number, question in enumerate(questions, 1):
        kind = "multichoice" if question.value is None else "numerical"
        element = ElementTree.SubElement(quiz, "question", type=kind)
        _text(element, "name", f"{notebook} {number}")
        _text(element, "questiontext", words(question.ask), format="html")
        if question.value is None:
            _choices(element, question)
        else:
            answer = _answer(element, f"{question.value:g}", right=True, because=question.because)
            ElementTree.SubElement(answer, "tolerance").text = f"{question.within:g}"
    ElementTree.indent(quiz)
    return ElementTree.tostring(quiz, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _choices(element: ElementTree.Element, question: Question) -> None:
    """The answers to choose from, shuffled by Moodle, one of them right."""
    for name, value in (("single", "true"), ("shuffleanswers", "true"), ("answernumbering", "abc")):
        ElementTree.SubElement(element, name).text = value
    for answer in question.choices:
        _answer(element, words(answer.say), answer.right, answer.because, format="html")


def _answer(element: ElementTree.Element, say: str, right: bool, because: str,
            **marks) -> ElementTree.Element:
    fraction = "100" if right else "0"
    answer = ElementTree.SubElement(element, "answer", fraction=fraction, **marks)
    ElementTree.SubElement(answer, "text").text = say
    _text(answer, "feedback", words(because), format="html")
    return answer


def _text(parent: ElementTree.Element, name: str, text: str, **marks) -> None:
    """Moodle's way to hold a text: <name><text>...</text></name>."""
    ElementTree.SubElement(ElementTree.SubElement(parent, name, **marks), "text").text = text
