"""How to mend what a check found: one line for each kind of fault, by its words."""
import re

SIZE = "Pillow's Image.open(picture).size gives width and height in px; `data check --fix OUT` fills them in"
HINTS = (                      # (in "record: found; expected", what to do); the first that matches counts
    (r"no .*'(height|width)'.*; ", SIZE),
    (r"^categories: two categories named",
     "give each class its own name, or its objects one category_id and take the other category out"),
    (r"the same file as image", "join their annotations in one record and take the other out"),
    (r"file_name '.*\\",
     "replace every backslash of the annotation file's names by '/', or use --fix OUT"),
    (r"file_name", "name each picture relative to the folder of pictures: 'a.jpg' or 'sub/a.jpg'"),
    (r"at most \d+ pixels, the most that Pillow opens", "make the picture smaller, and its boxes with it"),
    (r"height None|width None|no .*'(height|width)'|^size: |whole numbers above 0", SIZE),
    (r"as recorded in the annotations",
     "was the picture scaled or cut after it was labelled? Then its boxes are wrong too: restore it"),
    (r"; but '.*' is there",
     "systems differ in whether a.jpg is A.JPG: rename the file, or correct the name in the record"),
    (r"image file is missing|no such image|: no such file", "copy the picture there, or take its record out"),
    (r"no whole image", "save the picture anew, or take it and its record out, as --fix OUT does"),
    (r"complete JSON|broken XML",
     "open it in an editor at that place, or copy the file again from where it came"),
    (r"top level: ", "export it as COCO: images, annotations and categories in one JSON object"),
    (r"the same id twice", "number the records anew"),
    (r": id ", "number the records 1, 2, 3, ..."),
    (r"image_id|category_id", "add the missing record, or take the annotation out, as --fix OUT does"),
    (r"bbox \[.*at least half", "are these [x1, y1, x2, y2]? COCO's are [x, y, width, height]"),
    (r"xmin < xmax", "write the smaller edge as xmin or ymin; --fix OUT swaps them"),
    (r"bbox .*(finite|width and height not negative)",
     "four numbers without quotes: [x, y, width, height] in px"),
    (r"a width and height above 0", "a click without a drag? Draw the box again"),
    (r"a box inside the image",
     "harmless where few px were cut; else the recorded size may be of another picture"),
    (r"area_bounds", "leave area_bounds out: COCO's 32 and 96 px then count"),
    (r"area ", "leave the area out: it is then taken from the mask, else from the box"),
    (r"pixels of mode", "save the picture with 8 or 16 bits a channel"),
    (r"iscrowd|difficult|truncated", "write 0 or 1, without quotes"),
    (r"RLE|polygon|segmentation", "leave the segmentation out where only boxes are used, as --fix OUT does"),
    (r"UTF-8", "save the text as UTF-8"),
    (r"class '.*one of", "one of the two spellings is wrong"),
    (r"one object labelled twice|one box per object", "take one of the two boxes out"),
    (r"one spelling per class", "rename the one to the other"),
    (r"classes of objects only", "take it out: what no box covers is background already"),
    (r"near the median of its class", "look at the picture: is it the right class, the whole object?"),
    (r"as in the other images", "look at the picture: was the class forgotten?"),
    (r"polygons' extent", "take the box from the polygons, or draw the polygons again"),
    (r"in both|the same \d+ images", "keep it in one of them: else scores are too good"),
    (r"no annotation record|in no split", "list it in a split, or move it away"),
    (r"fractions of the picture", "divide x and width by the picture's width, y and height by its height"),
    (r"class number", "add its name to the list of names, or correct the number"),
    (r"five numbers|^line .*(numbers|negative)$",
     "class x y width height for a box, class x1 y1 x2 y2 x3 y3 ... for a polygon"),
    (r"at least one object", "label some pictures, or name another split"),
)


def hint(record: str, saw: str, expected: str) -> str:
    """What to do about a fault; "" for a kind that needs no more than its own words."""
    text = f"{record}: {saw}; {expected}"
    for pattern, advice in HINTS:
        if re.search(pattern, text):
            return advice
    return ""
