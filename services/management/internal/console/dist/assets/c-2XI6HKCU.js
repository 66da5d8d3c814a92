import{n as o,o as e}from"./c-NUUQLGJR.js";function m(){return e("div",{class:"page-head",children:e("h1",{children:o("common.page.schedules")})})}export{m as Schedules};
